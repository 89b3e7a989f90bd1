"""Of a worker's log the lines that tell: the first error is the cause."""

from course import tracebacks

LOG = """\
Traceback (most recent call last):
  File "/usr/lib/ts/model_loader.py", line 108, in load
    module = importlib.import_module(name)
  File "/tmp/worker-1/model_handler.py", line 1, in <module>
    from models.linear import SimpleLinearModel
ModuleNotFoundError: No module named 'models'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/usr/lib/ts/model_loader.py", line 120, in load
ModuleNotFoundError: No module named 'ts.torch_handler.model_handler'
"""


def test_the_lines_that_tell():
    assert tracebacks.telling(LOG, "model_handler.py", "linear.py") == [
        "Traceback (most recent call last):",
        '  File "…/model_handler.py", line 1, in <module>',
        "ModuleNotFoundError: No module named 'models'",
        "During handling of the above exception, another exception occurred:",
        "Traceback (most recent call last):",
        "ModuleNotFoundError: No module named 'ts.torch_handler.model_handler'",
    ]
    assert len(tracebacks.telling(LOG)) == 5


def test_the_first_error_is_the_cause():
    assert (
        tracebacks.first_error(LOG) == "ModuleNotFoundError: No module named 'models'"
    )
    assert (
        tracebacks.first_error("one\ntorch.cuda.OutOfMemoryError: 7\n")[:10]
        == "torch.cuda"
    )
    assert tracebacks.first_error("fine\n200 [9.0]\n") == "200 [9.0]"
    assert tracebacks.first_error("") == ""
