"""The looks, one module for each topic.  look.py finds every function with `@look(group, name)` in these modules."""
