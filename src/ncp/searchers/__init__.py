"""Search strategies that are asked for codes and told their scores; simulated on tables and compared."""
