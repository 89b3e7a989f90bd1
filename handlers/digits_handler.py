"""How TorchServe turns a picture of a handwritten digit into an answer of DigitNet."""

import io
import struct
import warnings
import zlib

import numpy as np
import torch
from PIL import ExifTags, Image
from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import PredictionException

MAX_BYTES = 4_000_000  # of a file
MAX_PIXELS = 4096 * 4096  # of the picture in it; as RGBA they take 67 MB
MAX_SCANS = 100  # of a JPEG: each is a pass over the whole picture, ten are usual
START_OF_SCAN = b"\xff\xda"
SIDE = 512  # pixels: a longer side is shortened before the digit is looked for
MIN_CONTRAST = 32  # of 255, between the ink and what is around it

# What turns a photo upright, by the orientation that its EXIF notes.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

EXPECTED = (
    "expected one handwritten digit as a PNG or JPEG of at most "
    f"{MAX_BYTES // 10**6} MB and {MAX_PIXELS:,} pixels, dark on light or light on "
    "dark, as the body of the request or in a form field named data"
)
REASONS = {
    400: ("Bad Request", "BadRequestException"),
    413: ("Payload Too Large", "PayloadTooLargeException"),
}

# What Pillow raises for a file of another kind, or for one that is broken somewhere.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    AssertionError,
    EOFError,
    struct.error,
    zlib.error,
)


def refusal(status: int, why: str) -> PredictionException:
    """What to raise for a request that gets no prediction.

    Left to TorchServe it would fail the whole batch: DigitsHandler catches it.
    (It is no class of this file, because a handler's file may define only one.)
    """
    return PredictionException(f"{why}: {EXPECTED}", status)


def read_picture(file) -> torch.Tensor:
    """Turn the bytes of a picture into what DigitNet learned from.

    Returns a tensor (1, 8, 8), with ink from 0 to 16. Raises PredictionException.
    """
    if not isinstance(file, (bytes, bytearray)) or not file:
        raise refusal(400, "no picture in the request")
    if len(file) > MAX_BYTES:
        raise refusal(413, "the file is too large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a large picture: decode refuses it
            gray = decode(file)
    except Image.DecompressionBombError:
        raise refusal(413, "the picture has too many pixels") from None
    except BROKEN:
        raise refusal(400, "no PNG or JPEG, or a broken one") from None
    return find_digit(gray)


def decode(file: bytes) -> Image.Image:
    """Decode a PNG or JPEG to 256 shades of gray, no side longer than SIDE.

    A photo is turned upright as its EXIF says. Transparent places become white. Of an
    animation the first picture counts. A small file may claim a huge picture, so its
    size is read before its pixels are.

    Raises PredictionException, one of BROKEN, or Image.DecompressionBombError.
    """
    opened = picture = Image.open(io.BytesIO(file), formats=("PNG", "JPEG"))
    if picture.width * picture.height > MAX_PIXELS:
        raise refusal(413, "the picture has too many pixels")
    if picture.format != "PNG" and file.count(START_OF_SCAN) > MAX_SCANS:
        raise refusal(413, "the JPEG has too many scans")
    picture.draft("L", (SIDE, SIDE))  # a JPEG can be decoded smaller than it is

    if picture.mode == "I;16":  # convert would cut off what is above 255
        picture = picture.point(lambda value: value * (1 / 256))
    opacity = None
    if picture.has_transparency_data:
        picture = picture.convert("LA")
        opacity = picture.getchannel("A")
    gray = Image.new("L", picture.size, "white")
    gray.paste(picture.convert("L"), mask=opacity)
    gray = gray.reduce(-(-max(gray.size) // SIDE))
    turn = TURNS.get(opened.getexif().get(ExifTags.Base.Orientation))
    return gray if turn is None else gray.transpose(turn)


def find_digit(gray: Image.Image) -> torch.Tensor:
    """Cut the digit out of a gray picture and shrink it to 8 by 8 pixels.

    The edge of the picture tells the background. Ink is what differs from it, so it may
    be darker or lighter. As in the training data the ink fills the whole height, each
    pixel of the result says how much of its area is inked, and the fullest has 16.

    Returns a tensor (1, 8, 8), from 0 to 16. Without ink it raises PredictionException.
    """
    shades = np.asarray(gray, dtype=np.float32)
    edge = [shades[0], shades[-1], shades[:, 0], shades[:, -1]]
    ink = np.abs(shades - np.median(np.concatenate(edge)))
    if ink.max() < MIN_CONTRAST:
        raise refusal(400, "no digit to be seen, the picture is of one color")
    ink /= ink.max()

    inked = Image.fromarray(ink > 0.3)
    digit = Image.fromarray(np.uint8(255 * ink)).crop(inked.getbbox())
    side = max(digit.size)
    square = Image.new("L", (side, side))
    square.paste(digit, ((side - digit.width) // 2, (side - digit.height) // 2))
    small = np.float32(square.resize((8, 8), Image.Resampling.BOX))  # means of areas
    return torch.from_numpy(16 * small / small.max()).unsqueeze(0)


def decide(row: list[float], names: list[str], least: float) -> dict:
    """The answer for ten probabilities; without a digit if none of them is enough."""
    best = max(row)
    digit = row.index(best) if best >= least else None
    return {
        "digit": digit,
        "name": None if digit is None else names[digit],
        "probabilities": dict(zip(names, row, strict=True)),
    }


class DigitsHandler(BaseHandler):
    """Answers a batch: n pictures in, n answers out, in the same order.

    An answer is {"digit": 3, "name": "three", "probabilities": {"zero": 0.01, …}}.
    Where no probability reaches least_probability, which stands below handler in the
    archive's model-config.yaml, digit and name are null. Without that file, 0.
    """

    def initialize(self, context):
        """Load the model and, from index_to_name.json in the archive, the names."""
        super().initialize(context)
        torch.set_num_threads(1)  # for 64 pixels a second one costs more than it gives
        if self.mapping is None:
            raise FileNotFoundError("index_to_name.json is missing in the archive")
        self.names = [self.mapping[str(digit)] for digit in range(10)]
        settings = (context.model_yaml_config or {}).get("handler") or {}
        self.least = float(settings.get("least_probability", 0))

    def preprocess(self, requests):
        """Turn n requests into a tensor (n, 1, 8, 8); note which ones are refused."""
        self.refused = {}  # position in the batch -> (status, message)
        pictures = []
        for index, request in enumerate(requests):
            try:
                pictures.append(read_picture(request.get("body", request.get("data"))))
            except PredictionException as error:
                self.refused[index] = error.error_code, error.message
                pictures.append(torch.zeros(1, 8, 8))  # keeps its place in the batch
        return torch.stack(pictures).to(self.device)

    def inference(self, inputs):
        """Run the model: (n, 1, 8, 8) in, probabilities (n, 10) out."""
        with torch.inference_mode():
            return self.model(inputs).softmax(dim=1)

    def postprocess(self, outputs):
        """Turn probabilities (n, 10) into n answers, or why a request is refused."""
        answers = []
        for index, row in enumerate(outputs.tolist()):
            self.context.set_response_content_type(index, "application/json")
            if index in self.refused:
                status, message = self.refused[index]
                reason, kind = REASONS[status]
                self.context.set_response_status(status, reason, index)
                answer = {"code": status, "type": kind, "message": message}
            else:
                answer = decide(row, self.names, self.least)
            answers.append(answer)
        return answers
