from itertools import pairwise

from course.checks.form import ANY, function, value

task_1 = value(
    "put a number into answer_1 and run both cells",
    (2, "Right: one for the first question, one for the second."),
    (1, "That is the first question. What does this client do after a 5xx?"),
    (0, "5 seconds are more than 1: what does TorchServe do with such a worker?"),
    ((3, 4, 5, 10), "Fewer: this client asks again once, and not always."),
    (ANY, "Not yet. Count the workers that TorchServe kills."),
)


def rise(values):
    return sum(new - old if new >= old else new for old, new in pairwise(values))


def only_up(values):
    return sum(max(new - old, 0) for old, new in pairwise(values))


task_2 = function(
    "write the function rise and run both cells",
    "Right: 140 for these looks, and right for three other lists.",
    rise,
    [([100, 180, 30, 60],), ([0, 5, 5, 9],), ([7, 3, 1, 2],), ([4],)],
    (lambda values: values[-1] - values[0], "Go from look to look instead."),
    (lambda values: max(values) - min(values), "Go from look to look instead."),
    (lambda values: 140, "It fits the first list alone."),
    (only_up, "What came after a restart is left out."),
)
