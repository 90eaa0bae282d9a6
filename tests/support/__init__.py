"""What tests are written with: real servers, real workers, tasks that leave traces."""
