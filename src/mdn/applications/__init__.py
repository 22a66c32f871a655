"""Chapters: whole applications, each a folder with a README. A chapter uses the library; the library knows no chapter."""
