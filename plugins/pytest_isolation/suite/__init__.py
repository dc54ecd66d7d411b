"""The bundled checks: plain pytest tests, each of which anyone can copy."""
