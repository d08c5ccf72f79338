"""What is measured: each module measures one thing and returns its figures, without tables."""
