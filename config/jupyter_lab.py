# JupyterLab for this series: it opens the index, on this machine only, and asks nothing
# of the network.
import os
from pathlib import Path

c = get_config()  # noqa: F821 (JupyterLab defines it)

c.ServerApp.ip = "127.0.0.1"
c.ServerApp.root_dir = str(Path(__file__).resolve().parents[1])  # show all folders
c.LabApp.default_url = "/lab/tree/notebooks/00_index.ipynb"  # also the printed address
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"


def without_news(handler, page_config):
    """Do not ask whether to show news: the question covers a corner of the lesson."""
    disabled = page_config.setdefault("disabledExtensions", [])
    disabled.append("@jupyterlab/apputils-extension:announcements")
    return page_config


c.ServerApp.tornado_settings = {"page_config_hook": without_news}

# The settings in config/labconfig/ count: how slides look, and their keys.
places = [str(Path(__file__).resolve().parent), os.environ.get("JUPYTER_CONFIG_PATH")]
os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, places))
