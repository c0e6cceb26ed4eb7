{# The sum of a tile column over [t - hours, t), where the row's tile starts at t and a tile covers
   [tile, tile + step): the row's own tile is never included. A mean is a quotient of two such sums,
   never a mean of tile means. #}

{% macro trailing_sum(column, hours, by, tile='event_timestamp', step='1 hour') -%}
    sum({{ column }}) over (
        partition by {{ by }} order by {{ tile }}
        range between interval {{ hours }} hour preceding and interval {{ step }} preceding
    )
{%- endmacro %}
