"""Numbers, and what is none: the table that the tests of all servers share."""

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06"

# Up to both ends of what is accepted.
NUMBERS = [0, -0.0, 5, -0.5, 1e-45, 123456.789, -1e10, 3.3e37, 1e38, -1e38]

# Not a finite number, neither as text nor as JSON.
NOT_A_NUMBER = {
    "words": "five",
    "empty": "",
    "whitespace": " \t\r\n",
    "NaN": "NaN",
    "nan": "nan",
    "minus nan": "-nan",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "inf": "inf",
    "minus inf": "-inf",
    "beyond the end": "1.0000000000000001e38",
    "beyond the end, negative": "-1.0000000000000001e38",
    "beyond float32": "1e39",
    "beyond float32, negative": "-1e39",
    "beyond float64": "1e400",
    "a long integer": "1" + "0" * 400,
    "true": "true",
    "false": "false",
    "null": "null",
    "None": "None",
    "a list": "[5]",
    "an empty list": "[]",
    "an object": '{"a": 5}',
    "an empty object": "{}",
    "underscore": "1_000",
    "hexadecimal": "0x10",
    "two numbers": "5 6",
    "two numbers with a comma": "5,6",
    "decimal comma": "2,5",
    "complex": "1j",
    "a sum": "2+3",
    "SQL": "5; DROP TABLE models; --",
    "Python": "__import__('os').getpid()",
    "template": "{{5}}",
    "HTML": "<script>5</script>",
    "a path": "../../etc/passwd",
    "a null byte": "5\0",
    "an emoji": "🔢",
    "nested 400 deep": "[" * 400 + "]" * 400,
    "a thousand open lists": "[" * 1000,
}
