{# Partial aggregates of DuckDB's windowed_aggregates: how each is made of rows, of tiles and of both,
   and how a feature is made of them. #}

{% macro numeric(column, is_float) -%}
    {#- NaN is no value: it would stay in every sum. -#}
    {%- set column = adapter.quote(column) -%}
    {%- if is_float -%}
    case when not isnan({{ column }}) then {{ column }}::double end
    {%- else -%}
    {{ column }}::bigint
    {%- endif -%}
{%- endmacro %}

{% macro exceeds(part) -%}
    {#- Whole numbers are compared as such: as a double 2^53 + 1 is 2^53. -#}
    {{ part.column }}__value > {% if part.is_float -%}
    '{{ part.bound }}'::double
    {%- else -%}
    {{ (part.bound // 1) | int }}
    {%- endif -%}
{%- endmacro %}

{% macro tile_partial(part) -%}
    {%- if part.kind == 'count' -%} count(*)
    {%- elif part.kind == 'values' -%} count({{ part.column }}__value)
    {%- elif part.kind == 'above' -%} count(*) filter ({{ exceeds(part) }})
    {%- elif part.kind == 'sum' and part.is_float -%} sum({{ part.column }}__value order by _at, _unit)
    {%- else -%} {{ part.kind }}({{ part.column }}__value)
    {%- endif -%}
{%- endmacro %}

{% macro running_partial(part, over) -%}
    {%- if part.kind == 'count' -%} count(*) {{ over }}
    {%- elif part.kind == 'values' -%} count({{ part.column }}__value) {{ over }}
    {%- elif part.kind == 'above' -%} count(*) filter ({{ exceeds(part) }}) {{ over }}
    {%- elif part.kind == 'sum' and part.is_float -%} list_sum(list({{ part.column }}__value) {{ over }})
    {%- else -%} {{ part.kind }}({{ part.column }}__value) {{ over }}
    {%- endif -%}
{%- endmacro %}

{% macro window_partial(part, over) -%}
    {#- A tile's row carries its partials; the hops after it until the next tile are empty. -#}
    {%- set value = 'case when _t = _hop then ' ~ part.name ~ ' end' -%}
    {%- if part.kind in ('count', 'values', 'above') -%} coalesce(sum({{ value }}) {{ over }}, 0)
    {%- elif part.kind == 'sum' and part.is_float -%}
    list_sum(list({{ value }}) filter (_t = _hop) {{ over }})
    {%- else -%} {{ part.kind }}({{ value }}) {{ over }}
    {%- endif -%}
{%- endmacro %}

{% macro added_partial(part, windowed) -%}
    {%- if part.kind == 'sum' -%}
    coalesce({{ windowed }} + {{ part.name }}, {{ windowed }}, {{ part.name }})
    {%- elif part.kind == 'min' -%} least({{ windowed }}, {{ part.name }})
    {%- elif part.kind == 'max' -%} greatest({{ windowed }}, {{ part.name }})
    {%- else -%} {{ windowed }} + {{ part.name }}
    {%- endif -%}
{%- endmacro %}

{# Each partial aggregate with each window's length in hops in which a feature needs it, once. #}
{% macro windowed_partials(declared) -%}
    {%- set found = [] -%}
    {%- for part in declared.partials -%}
        {%- for feature in declared.features if part.name in feature.parts -%}
            {%- if (part, feature.hops) not in found -%}
                {%- do found.append((part, feature.hops)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro finished(feature) -%}
    {%- set part = feature.parts[0] ~ '__' ~ feature.hops -%}
    {%- if feature.function in ('mean', 'share') -%}
    {{ part }}::double / nullif({{ feature.parts[1] ~ '__' ~ feature.hops }}, 0)::double
    {%- elif feature.function == 'count' or not feature.is_float -%} {{ part }}::bigint
    {%- else -%} {{ part }}
    {%- endif -%}
{%- endmacro %}
