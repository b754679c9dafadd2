"""Reads what runs leave behind."""
