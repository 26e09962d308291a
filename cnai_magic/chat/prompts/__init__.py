"""What a prompt becomes before it is sent: its braces replaced; saved prompts; the prompt about a failure."""
