"""The slides' story: what least squares cannot learn, and a mixture density network can. See README.md here."""

from mdn.applications.slides.story import tell

__all__ = ["tell"]
