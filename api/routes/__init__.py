"""One module a resource; each makes a blueprint from the parts that it uses."""
