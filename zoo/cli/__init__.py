"""The command `zoo`: one module a subcommand, imported when it is called."""
