"""The command `finetune` with its parts `check` and `add`."""
