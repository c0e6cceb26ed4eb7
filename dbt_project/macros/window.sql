{# The window of partitions that this run builds: days, both inclusive, from the environment,
   because changed --vars would make dbt parse the whole project again. #}

{% macro window_first() -%}
    date '{{ env_var("MLPLAT_WINDOW_FIRST", "1970-01-01") }}'
{%- endmacro %}

{% macro window_last() -%}
    date '{{ env_var("MLPLAT_WINDOW_LAST", "2262-01-01") }}'
{%- endmacro %}

{% macro in_window(day) -%}
    {{ day }} between {{ window_first() }} and {{ window_last() }}
{%- endmacro %}

{% macro forget_window() -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where {{ in_window('partition_day') }}
    {%- endif -%}
{%- endmacro %}
