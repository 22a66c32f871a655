"""The one error of the studio's own."""


class Refused(ValueError):
    """What came from outside is not obeyed; the text is the sentence that the page shows."""
