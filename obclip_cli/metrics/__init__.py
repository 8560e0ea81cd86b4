"""Scores of images: one file each, on features of a judge that is always named."""
