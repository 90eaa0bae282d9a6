"""What bin/up and bin/test are made of; no part of the installed library."""
