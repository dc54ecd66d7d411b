"""Reports: results as text for a terminal and as one HTML page.

matrix.py     arranges results as checks × targets, by area
signs.py      the sign, the word and the colour of a cell
finding.py    one finding as lines of text
columns.py    fits the matrix's columns into a terminal's width
spans.py      lines with pytest's markup, and writing them
totals.py     counts of each target
terminal.py   the whole report for a terminal
html.py       the whole report as one HTML page; templates/ has its template
folder.py     writes the folder of a report: facts/, results.json, index.html

How to add a report:

1. Write one module with `render_<name>(results: Results) -> str`.
   Use `matrix.arrange` for the order of areas and targets, and `signs.sign_at` for the cells.
2. Pass every text through `pytest_isolation.escape.escape`: it may come from a sandbox.
3. Call it in `folder.py`, which runs after a session and in `isolation judge`.
"""
