"""What `make lock`, `make audit` and `make dist` run; none of it is part of the product."""
