from torch import tensor

from course.checks.form import ANY, task, value

task_1 = value(
    "put a whole number into answer_1 and run both cells",
    (1995, "Right: 1996.4 - 0.989 is 1995.41, and that rounds to 1995."),
    (1999, "That is the true line, 2x - 1. Use the numbers that the model learned."),
    ((1996, 1996.4, 1997, 1997.389), "Close. The bias is negative: take it away."),
    ((1995.4, 1995.41, 1995.411), "Close. Round it to a whole number."),
    (ANY, "Not yet. Multiply 1000 by the weight, then add the bias (-0.9890)."),
)


@task(
    ({"linear.weight": tensor([[2.0]]), "linear.bias": tensor([-1.0])}, "Right"),
    ({"weight": tensor([[2.0]]), "bias": tensor([-1.0])}, "the model wants"),
    ({"linear.weight": tensor([[2.0]])}, "the model wants"),
    ({"linear.weight": tensor(2.0), "linear.bias": tensor(-1.0)}, "as they are"),
    ({"linear.weight": 2.0, "linear.bias": -1.0}, "as they are"),
    ({"linear.weight": tensor([[2.0]]), "linear.bias": tensor([1.0])}, "changed"),
)
def task_2(mended: dict):
    """put a dictionary into mended and run both cells"""
    from models.linear import SimpleLinearModel

    wanted = ["linear.bias", "linear.weight"]
    if sorted(map(str, mended)) != wanted:
        return f"The keys are {sorted(map(str, mended))}; the model wants {wanted}."
    model = SimpleLinearModel()
    try:
        model.load_state_dict(mended)
    except RuntimeError:
        return "The keys are right. Keep the tensors as they are: change only the keys."
    if (model.linear.weight.item(), model.linear.bias.item()) != (2.0, -1.0):
        return "The keys are right, the values have changed: weight 2, bias -1."
    return "Right: the model finds both of its parameters by name."
