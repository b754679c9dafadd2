"""A harness that breaks runs at chosen calls and proves that nothing is lost."""
