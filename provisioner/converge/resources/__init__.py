"""One module for each kind of resource; converge/kinds.py finds them and says what each must hold."""
