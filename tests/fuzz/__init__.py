"""Fuzzing of everything that is read from a sandbox, an archive or a user's file.

targets/       one module for each reader: its samples, and the function that reads bytes
inputs.py      samples, changes of a sample, and the bytes of the result
drawn.py       draws changes
crashes.py     reads cases; finds each place that raises something else than an error of ours
corpus/        small cases by target: each crash found so far, and forms that are easily read wrongly, each with its end
test_fuzz.py   runs the corpus, then drawn inputs: each ends well or in one line

`script/test fuzz` draws 10,000 inputs for each target, the lane `unit` 100 that are always the same.
PYTEST_ISOLATION_FUZZ=N sets the number; PYTEST_ISOLATION_SEED=S repeats a run.
CONTRIBUTING.md says how to keep a crash.
"""
