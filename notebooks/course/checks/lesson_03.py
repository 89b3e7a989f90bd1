from course.checks.form import function, parts

task_1 = parts(
    "put a list of four statuses into answer_1, run both",
    "Right: two numbers and two that are none, each with its own status.",
    ("Request 1", 200, "-1 is a number; a sign does no harm."),
    ("Request 2", 400, "float() reads no words. Which status is the client's?"),
    ("Request 3", 400, "False arrives. What does parse_number do with that?"),
    ("Request 4", 200, "JSON 1e3 arrives as 1000.0, far below the limit of 1e38."),
)


def parse_number(value):
    from handlers import model_handler

    return model_handler.parse_number(value)


def parse_decimal(value):
    return parse_number(value.replace(",", ".") if isinstance(value, str) else value)


READ = ["5,5", "-0,25", "5.5", "5", 5, 2.5]
REFUSED = ["5,5,5", "abc", "", "1_000", "nan", "1e39", True, None, [5]]
task_2 = function(
    "write the function and run both cells",
    "Right: a comma is read as a point, and all else is as before.",
    parse_decimal,
    [(value,) for value in READ + REFUSED],
    (parse_number, "Replace the comma first."),
    (lambda value: str(value).replace(",", "."), "parse_number reads that text."),
    (lambda value: parse_number(str(value).replace(",", "")), "Put a point there."),
    (lambda value: parse_number(value.replace(",", ".")), "Only text has commas."),
    (lambda value: float(str(value).replace(",", ".")), "parse_number refuses it."),
)
