{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- The lake's schema is the stage: staging, features, labels. -#}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}

{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {#- ftr_flights__weather is the table flights__weather of schema features. -#}
    {{ custom_alias_name or node.name.split('_', 1)[1] }}
{%- endmacro %}
