"""Strokes as pictures, sheets and animations, and letters in fonts of single strokes; NumPy in, SVG and PNG out, never Keras."""

from mdn.drawing.sheets import write_animation, write_drawing, write_sheet

__all__ = ["write_animation", "write_drawing", "write_sheet"]
