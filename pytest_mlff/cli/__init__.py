"""The `mlff` command: one module per subcommand."""
