"""Many runs: plans, suites, and how they are carried out."""
