{% test unique_grain(model, columns) %}
-- One row per combination of the grain's columns.
select {{ columns | join(', ') }}, count(*) as copies
from {{ model }}
where {{ in_window('partition_day') }}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{% test within(model, column_name, minimum, maximum) %}
-- Every value present lies between minimum and maximum, both inclusive.
select {{ column_name }}
from {{ model }}
where {{ in_window('partition_day') }} and {{ column_name }} not between {{ minimum }} and {{ maximum }}
{% endtest %}

{% test known_within_its_partition(model, effective='event_timestamp', slack='0 hour') %}
-- A row belongs to the partition of the day on which it became known: never to an earlier one.
select {{ effective }}, partition_day
from {{ model }}
where {{ in_window('partition_day') }}
  and {{ effective }} > partition_day + interval 1 day + interval {{ slack }}
{% endtest %}
