"""What a release says of its dependencies: exact versions (`requirements.lock`) and a bill of materials."""
