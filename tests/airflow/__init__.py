"""The operator for Airflow: what of it needs no Airflow, and the rest where there is one."""
