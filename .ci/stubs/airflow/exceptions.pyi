from airflow.sdk.exceptions import AirflowException as AirflowException
from airflow.sdk.exceptions import AirflowFailException as AirflowFailException
