{% test unique_grain(model, columns) %}
-- One row per combination of the grain's columns, none of which is null.
select {{ columns | join(', ') }}, count(*) as copies
from {{ model }}
where {{ in_window('partition_day') }}
group by {{ columns | join(', ') }}
having count(*) > 1{% for column in columns %} or {{ column }} is null{% endfor %}
{% endtest %}

{% test within(model, column_name, minimum, maximum) %}
-- Every value present lies between minimum and maximum, both inclusive.
select {{ column_name }}
from {{ model }}
where {{ in_window('partition_day') }} and {{ column_name }} not between {{ minimum }} and {{ maximum }}
{% endtest %}

{% test null_rate(model, column_name, maximum) %}
-- In no day of the run is the share of nulls above the maximum.
select partition_day, avg(({{ column_name }} is null)::integer) as null_rate
from {{ model }}
where {{ in_window('partition_day') }}
group by partition_day
having avg(({{ column_name }} is null)::integer) > {{ maximum }}
{% endtest %}
