"""From values to people: when a metric is looked at, when it is an alarm, which alarms are one incident, who is told."""
