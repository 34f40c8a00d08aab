"""A preset's tokenizer files -> one tokenizer.json."""
