output "dashboard" {
  description = "The dashboard, projects/N/dashboards/ID."
  value       = google_monitoring_dashboard.main.id
}
