"""Airflow's exceptions, wherever this Airflow has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
else:
    try:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
    except ImportError:  # in Airflow 3.1
        from airflow.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

__all__ = ["AirflowException", "AirflowFailException", "AirflowNotFoundException"]
