"""Many trainings: the queue, local workers and Ray, the table of trainings, and the `Table` made from it."""
