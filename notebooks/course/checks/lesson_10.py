from urllib3 import Retry

from course.checks.form import ANY, task, told, value

task_1 = value(
    "put a number into answer_1 and run both cells",
    (200, "Right: eight answers every 40 ms are 200 a second."),
    (4000, "So without the delay. Is the batch full before it is over?"),
    ((800, 16000), "Where do 32 requests come from? Each caller waits for one."),
    ((210, 210.5, 8 / 0.038), "Close: after its wait the batch is computed."),
    (0.2, "Close: that is for a millisecond; the question asks for a second."),
    (25, "That is the number of batches. How many answers are in each?"),
    (ANY, "Not yet. How long does one batch take, and how many answers are in it?"),
)


def retry(**changes):
    right = {
        "total": 5,
        "read": 1,
        "status_forcelist": [503],
        "allowed_methods": ["POST"],
    }
    right |= {"backoff_factor": 0.1, "backoff_jitter": 0.1, "backoff_max": 2}
    return Retry(**{**right, **changes})


@task(
    (retry(), "Right"),
    (retry(status_forcelist=[400, 503]), "A 4xx"),
    (retry(status_forcelist=["503"]), "['503']: a 503 is not repeated"),
    (retry(status_forcelist=[500]), "[500]: a 503 is not repeated"),
    (retry(status_forcelist=None), "(): a 503 is not repeated"),
    (retry(allowed_methods=["GET"]), "POST"),
    (retry(total=None), "total is None"),
    (retry(total=50), "total is 50"),
    (retry(read=None), "read is None"),
    (retry(read=5), "read is 5"),
    (retry(read=0), "Right"),
    (retry(backoff_factor=0), "backoff_factor"),
    (retry(backoff_jitter=0), "backoff_jitter"),
    (retry(backoff_max=120), "may take 120 s"),
)
def task_2(mended: Retry):
    """put a Retry into mended and run both cells"""
    repeated = mended.status_forcelist or ()
    if any(status in range(400, 500) for status in repeated):
        return "A 4xx says that the request is wrong. Will it be right the next time?"
    if 503 not in repeated:
        return f"status_forcelist is {told(repeated)}: a 503 is not repeated."
    if not mended.is_retry("POST", 503):
        return "Only a method in allowed_methods is repeated, and predictions use POST."
    if not isinstance(mended.total, int) or not 0 < mended.total <= 5:
        return f"total is {told(mended.total)}: when is the last try?"
    if mended.read not in (0, 1):
        return (
            f"read is {told(mended.read)}: a request without an answer may be what "
            "costs a worker its time. Send it once more at most."
        )
    if not mended.backoff_factor > 0:
        return "Without a backoff_factor all tries follow each other at once."
    if not mended.backoff_jitter > 0:
        return "Without backoff_jitter all refused clients come back together."
    if mended.backoff_max > 2:
        return f"One wait may take {mended.backoff_max} s: cap it with backoff_max."
    return "Right: a 503 is repeated, later each time, and not for ever."
