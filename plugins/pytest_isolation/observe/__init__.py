"""Creates the sandboxes of each target and observes each once.

hosts.py         this machine and machines of lab.yaml, each started on first use
sandboxes.py     the live sandboxes, each created on first use
views.py         takes every view of one sandbox and its peer  → Record
measurements.py  owns the record of a target; measures loads, reach and teardown on first use
gather.py        observes all targets side by side  → Measurements of each
stock.py         observes a stock sandbox to compare an attached one with
"""
