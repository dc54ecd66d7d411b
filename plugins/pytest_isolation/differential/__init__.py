"""Configurations drawn at random: the same walls and lacks of them, asked of any runtime that reads config.json."""
