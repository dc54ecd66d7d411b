"""Draws results: terminal matrix and HTML page.  In: Results.  Out: text.  Judges nothing."""
