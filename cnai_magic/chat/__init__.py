"""Conversations and replies, without any input or output."""
