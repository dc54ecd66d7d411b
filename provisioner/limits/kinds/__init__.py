"""One module for each limit; limits/limit.py finds them and says what each must hold."""
