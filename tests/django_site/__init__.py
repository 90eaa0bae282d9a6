"""A Django project for the tests; the environment says where its databases are."""
