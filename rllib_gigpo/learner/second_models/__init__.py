"""What is trained beside the policy: a critic within its passes, a reward model in its own."""
