from course.checks.form import ANY, value

task_1 = value(
    "put milliseconds into answer_1 and run both cells",
    (8, "Right: 8 clients wait 8 ms each, that is 1,000 requests a second."),
    (4, "Then 8 clients would get 2,000 answers a second; the server has 1,000."),
    (2, "More clients do not make a busy server faster. Which way does it go?"),
    (0.008, "Close: that is in seconds; the question asks for milliseconds."),
    (ANY, "Not yet. In one second the server hands 1,000 answers to 8 clients."),
)

task_2 = value(
    "put a number into mended and run both cells",
    (20, "Right: one request in ten took 20 ms, so p99 is 20 ms."),
    (10.5, "That is still the mean of two percentiles. No request took 10.5 ms."),
    (2.9, "That is the mean of all requests. p99 is asked for."),
    (1, "That is the median, or the first client alone. Take all 1,000 requests."),
    (ANY, "Not yet. Put both lists together with +, then take p99 of the result."),
)
