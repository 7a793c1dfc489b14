"""Speed and memory of whole commands and of single steps, both pipelines side by side."""
