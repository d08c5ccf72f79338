"""Load: claims over HTTP, calls of one component, and bulk rows; each waits for its results."""
