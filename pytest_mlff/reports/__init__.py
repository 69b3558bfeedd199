"""Reports: JSON with its schema, properties for JUnit and xdist, the terminal table."""
