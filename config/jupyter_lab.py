# JupyterLab for this series: on this machine only, and asking nothing of the network.
c = get_config()  # noqa: F821 (JupyterLab defines it)

c.ServerApp.ip = "127.0.0.1"
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
